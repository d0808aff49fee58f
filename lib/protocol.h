/* SPDX-License-Identifier: GPL-2.0 */
/*
 * protocol.h - what frecctl and the recorder say to each other: one JSON
 * object per SOCK_SEQPACKET message on RUN/control.sock, and with a request
 * perhaps one descriptor to write to.
 *
 * Requests:  {"command":"status"|"triggers"|"list"|"pause"|"resume"}
 *            {"command":"fire","name":S,"text":S?}
 *            {"command":"snapshot","pid":N?,"only":bool?,"last_ns":N?} (+ descriptor)
 * Replies:   {"ok":true,…} or {"ok":false,"error":"one line"}
 */
#ifndef FREC_PROTOCOL_H
#define FREC_PROTOCOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define PROTOCOL_SOCKET "control.sock"
#define PROTOCOL_REQUEST_MAX (64u * 1024)
#define PROTOCOL_REPLY_MAX (192u * 1024)
#define PROTOCOL_DEPTH_MAX 16

/* An object and each array in it count as one level. -EBADMSG: this is no message. */
int protocol_parse(const void *bytes, size_t len, json_t **ret);

/*
 * Listens at run_directory/control.sock with this mode, and this group unless
 * gid is (gid_t)-1; non-blocking. A socket that nobody listens on any more is
 * replaced; -EADDRINUSE where another recorder answers.
 */
int protocol_listen(const char *run_directory, mode_t mode, gid_t gid, int *ret_fd);

/* A waiting client; non-blocking, so that no client can hold up the caller. -EAGAIN: none. */
int protocol_accept(int listen_fd, int *ret_fd);

/* Blocking, but gives up with -EAGAIN where the recorder accepts nothing for 5 s. */
int protocol_connect(const char *run_directory, int *ret_fd);

/* pass: descriptor that goes along, -1 for none. -EMSGSIZE beyond PROTOCOL_REPLY_MAX. */
int protocol_send(int fd, const json_t *message, int pass);

/*
 * Never blocks. max is PROTOCOL_REQUEST_MAX or PROTOCOL_REPLY_MAX. *ret_fd
 * becomes the descriptor that came along (close-on-exec), or -1; with ret_fd
 * NULL, or with more than one descriptor, the message is refused and they are
 * closed. -EAGAIN: nothing there yet. -ECONNRESET: the peer went away (an
 * empty message looks the same). -EMSGSIZE: too large. -EBADMSG: rubbish.
 * -EMFILE: what came along is lost, as this process can open no more.
 * After any of these but -EAGAIN the connection is best closed.
 */
int protocol_receive(int fd, size_t max, json_t **ret, int *ret_fd);

/* {"ok":false,"error":…}: one line of text, whatever the arguments hold; NULL: no memory. */
json_t *protocol_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Who connected, by SO_PEERCRED. */
int protocol_peer(int fd, struct ucred *ret);

/* Members of a request. -ENOENT: not there (or null); -EINVAL: of another type, or negative. */
int protocol_get_string(const json_t *message, const char *key, const char **ret);
int protocol_get_u64(const json_t *message, const char *key, uint64_t *ret);
int protocol_get_bool(const json_t *message, const char *key, bool *ret);

#endif
