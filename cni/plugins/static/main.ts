import { runPlugin } from "../../lib/skel.ts";
import { staticIpam } from "./static.ts";

runPlugin(staticIpam, process.env).then((status) => {
  process.exitCode = status;
});
