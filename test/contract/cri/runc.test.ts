import { existsSync } from "node:fs";
import { inTurn } from "../../../testing/drawn.ts";
import { ours } from "./ours.ts";
import { criContract, RULES } from "./suite.ts";

// Takes turns, rules over other runtimes: see ../kubelet/containerd.test.ts.

/** Counts the rules that a run keeps over runc; over crun every run keeps all. */
const OVER_RUNC = 5;
if (existsSync("/usr/sbin/runc")) {
  criContract("our runtime over runc", ours("runc"), inTurn("runc", RULES, OVER_RUNC));
}
