import { existsSync } from "node:fs";
import { inTurn } from "../../../testing/drawn.ts";
import { containerd } from "./containerd.ts";
import { criContract, RULES } from "./suite.ts";

// Takes turns, rules over other runtimes: see ../kubelet/containerd.test.ts.

/** Ours keep every rule in every run; a run compares some with this peer. */
const COMPARED = 6;
if (existsSync("/usr/bin/containerd")) {
  criContract("containerd", containerd, inTurn("containerd", RULES, COMPARED));
}
