import { existsSync } from "node:fs";
import { inTurn } from "../../../testing/drawn.ts";
import { ours } from "./ours.ts";
import { criContract, RULES } from "./suite.ts";

/** Over crun the runtime keeps every rule in every run, over runc those that are drawn. */
const OVER_RUNC = 8;
if (existsSync("/usr/sbin/runc")) {
  criContract("our runtime over runc", ours("runc"), inTurn(RULES, OVER_RUNC));
}
