import { existsSync } from "node:fs";
import { containerd } from "../cri/containerd.ts";
import { resizeContract } from "./resize-suite.ts";

// Takes turns, rules over other runtimes: see containerd.test.ts.

if (existsSync("/usr/bin/containerd")) resizeContract("containerd", containerd);
