// Command histories judges what clients were told: whether there is an order in which it could have happened.
//
//	histories [-timeout 60s] [-html FOLDER] FILE...
//
// A file is the history of one run, one JSON object a line: see history.go. Each SKU is judged as a linearizable object
// (stock.go, by porcupine), each idempotency key as a register that is written once (keys.go). The checker knows nothing
// of Daybook but the meaning of its answers.
//
// Exit codes: 0 all histories are accepted, 1 one is refused or could not be decided in time, 2 wrong usage or no history.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

type tally struct {
	histories, operations, skus, keys, refused int
}

func judge(path string, timeout time.Duration, folder string, sum *tally) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	entries, err := readHistory(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	complaints, keys := judgeKeys(entries)
	stock, err := stockOf(entries)
	if err != nil {
		complaints = append(complaints, err.Error())
	}
	for _, sku := range stock.names() {
		page := ""
		if folder != "" {
			page = filepath.Join(folder, filepath.Base(path)+"."+sku+".html")
		}
		if complaint := stock[sku].judge(timeout, page); complaint != "" {
			complaints = append(complaints, complaint)
		}
	}
	for _, complaint := range complaints {
		fmt.Printf("%s: %s\n", path, complaint)
	}
	sum.histories++
	sum.operations += len(entries)
	sum.skus += len(stock)
	sum.keys += keys
	if len(complaints) > 0 {
		sum.refused++
	}
	return nil
}

func main() {
	timeout := flag.Duration("timeout", time.Minute, "how long one SKU may take")
	folder := flag.String("html", "", "where a picture of each refused SKU goes")
	flag.Parse()
	var sum tally
	for _, path := range flag.Args() {
		if err := judge(path, *timeout, *folder, &sum); err != nil {
			fmt.Fprintln(os.Stderr, "histories:", err)
			os.Exit(2)
		}
	}
	if sum.operations == 0 {
		fmt.Fprintln(os.Stderr, "histories: there is nothing to judge; usage: histories [-timeout 60s] [-html FOLDER] FILE...")
		os.Exit(2)
	}
	fmt.Printf("%d histories, %d operations, %d SKUs, %d keys; %d refused\n",
		sum.histories, sum.operations, sum.skus, sum.keys, sum.refused)
	if sum.refused > 0 {
		os.Exit(1)
	}
}
