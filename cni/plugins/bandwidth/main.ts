import { runPlugin } from "../../lib/skel.ts";
import { bandwidth } from "./bandwidth.ts";

runPlugin(bandwidth, process.env).then((status) => {
  process.exitCode = status;
});
