/* SPDX-License-Identifier: GPL-2.0 */
/* inet.bpf.h - both ends of an internet socket, into an ev_file or a peer_end. */
#ifndef FREC_INET_BPF_H
#define FREC_INET_BPF_H

#include "compat.bpf.h"

/* A macro, as the two have the same fields in different places. */
#define READ_INET(e, sk)                                                                           \
	do {                                                                                       \
		(e)->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);                          \
		(e)->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));            \
		(e)->net = (u64)BPF_CORE_READ(sk, __sk_common.skc_net.net);                        \
		if ((e)->family == AF_INET) {                                                      \
			BPF_CORE_READ_INTO((u32 *)(e)->local, sk, __sk_common.skc_rcv_saddr);      \
			BPF_CORE_READ_INTO((u32 *)(e)->remote, sk, __sk_common.skc_daddr);         \
		} else {                                                                           \
			BPF_CORE_READ_INTO((struct in6_addr *)(e)->local, sk,                      \
					   __sk_common.skc_v6_rcv_saddr);                          \
			BPF_CORE_READ_INTO((struct in6_addr *)(e)->remote, sk,                     \
					   __sk_common.skc_v6_daddr);                              \
		}                                                                                  \
	} while (0)

#endif
