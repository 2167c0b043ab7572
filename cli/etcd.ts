// The program named `etcd` in our image: the store, with etcd's command line.
import { runServer } from "./store/server.ts";
import { reportFailure } from "./terminal.ts";

runServer(process.argv.slice(2)).catch((thrown: unknown) => {
  process.exitCode = reportFailure(thrown);
});
