// The program named `etcd` in our image: the store, with etcd's command line.
import { runServer } from "./store/server.ts";
import { runProgram } from "./terminal.ts";

runProgram(runServer(process.argv.slice(2)));
