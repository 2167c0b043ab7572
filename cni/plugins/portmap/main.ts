import { runPlugin } from "../../lib/skel.ts";
import { portmap } from "./portmap.ts";

runPlugin(portmap, process.env).then((status) => {
  process.exitCode = status;
});
