// SPDX-License-Identifier: GPL-2.0

// held MS: a goroutine waits for a sync.Mutex that another one holds while it sleeps. Both park in
// user space: no thread of the kernel's waits for another.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

var (
	lock  sync.Mutex
	start = time.Now()
)

func hold(ms int, held, begin chan bool) {
	lock.Lock()
	held <- true
	<-begin
	time.Sleep(time.Duration(ms) * time.Millisecond)
	lock.Unlock()
}

func main() {
	ms, err := strconv.Atoi(os.Args[1])
	if err != nil {
		os.Exit(2)
	}
	held, begin := make(chan bool), make(chan bool)
	in := bufio.NewReader(os.Stdin)
	go hold(ms, held, begin)
	<-held
	pid := os.Getpid()
	fmt.Printf("{\"what\":\"role\",\"pid\":%d,\"tid\":%d,\"role\":\"subject\"}\n", pid, pid)
	fmt.Println(`{"what":"ready"}`)
	in.ReadString('\n')
	begin <- true
	from := time.Since(start)
	lock.Lock()
	to := time.Since(start)
	fmt.Printf("{\"what\":\"slow\",\"begin_ns\":%d,\"end_ns\":%d,\"released_ns\":%d}\n",
		from.Nanoseconds(), to.Nanoseconds(), to.Nanoseconds())
	in.ReadString('\n')
}
