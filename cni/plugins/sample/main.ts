import { runPlugin } from "@raft2kube/cni/lib/skel.ts";
import { sample } from "./sample.ts";

void runPlugin(sample);
