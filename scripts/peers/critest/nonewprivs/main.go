// Prints the user that a set-id program runs as, in the place of upstream's image of that name.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Printf("Effective uid: %d\n", os.Geteuid())
}
