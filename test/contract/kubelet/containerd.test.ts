import { existsSync } from "node:fs";
import { containerd } from "../cri/containerd.ts";
import { kubeletContract } from "./suite.ts";

// Takes turns, rules over other runtimes: over crun ours keep every rule in every run; these files
// compare them with a peer's runtime, here those of a kubelet and its pods, or keep them over runc.

if (existsSync("/usr/bin/containerd")) kubeletContract("containerd", containerd);
