import { runPlugin } from "../../lib/skel.ts";
import { hostLocal } from "./host-local.ts";

runPlugin(hostLocal, process.env).then((status) => {
  process.exitCode = status;
});
