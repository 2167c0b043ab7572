import { runPlugin } from "../../lib/skel.ts";
import { loopback } from "./loopback.ts";

runPlugin(loopback, process.env).then((status) => {
  process.exitCode = status;
});
