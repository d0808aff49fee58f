// SPDX-License-Identifier: GPL-2.0

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

/** As held.c, with a synchronized block whose holder sleeps. Arguments: MS, the subject's name. */
public class Held {
	private static final Object LOCK = new Object();
	private static final CountDownLatch HELD = new CountDownLatch(1);
	private static final CountDownLatch BEGIN = new CountDownLatch(1);

	/** Threads of Java have names of the kernel's, too: the first 15 bytes. */
	private static void tell(String role) throws Exception {
		String self = Files.readSymbolicLink(Path.of("/proc/thread-self")).toString();
		String[] part = self.split("/");
		System.out.printf("{\"what\":\"role\",\"pid\":%s,\"tid\":%s,\"role\":\"%s\"}%n", part[0],
				part[2], role);
	}

	private static void hold(int ms) {
		try {
			synchronized (LOCK) {
				tell("holder1");
				HELD.countDown();
				BEGIN.await();
				Thread.sleep(ms);
			}
			Thread.sleep(60000);
		} catch (Exception e) {
			System.exit(1);
		}
	}

	private static void ask() {
		try {
			tell("subject");
			BEGIN.countDown();
			long from = System.nanoTime(), to;
			synchronized (LOCK) {
				to = System.nanoTime();
			}
			System.out.printf("{\"what\":\"slow\",\"begin_ns\":%d,\"end_ns\":%d,\"released_ns\":%d}%n",
					from, to, to);
			Thread.sleep(60000);
		} catch (Exception e) {
			System.exit(1);
		}
	}

	private static void start(String name, Runnable body) {
		Thread thread = new Thread(body, name);

		thread.setDaemon(true);
		thread.start();
	}

	public static void main(String[] args) throws Exception {
		int ms = Integer.parseInt(args[0]);

		start("holder", () -> hold(ms));
		HELD.await();
		System.out.println("{\"what\":\"ready\"}");
		System.in.read();
		start(args[1], Held::ask);
		while (System.in.read() >= 0)
			;
	}
}
