import { existsSync } from "node:fs";
import { containerd } from "../cri/containerd.ts";
import { ours } from "../cri/ours.ts";
import { statsContract } from "./stats-suite.ts";

statsContract("our runtime", ours("crun"));
if (existsSync("/usr/bin/containerd")) statsContract("containerd", containerd);
