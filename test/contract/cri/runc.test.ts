import { existsSync } from "node:fs";
import { ours } from "./ours.ts";
import { criContract } from "./suite.ts";

if (existsSync("/usr/sbin/runc")) criContract("our runtime over runc", ours("runc"));
