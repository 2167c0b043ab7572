import { runPlugin } from "@raft2kube/cni/lib/skel.ts";
import { sample } from "./sample.ts";

runPlugin(sample, process.env).then((status) => {
  process.exitCode = status;
});
