import { existsSync } from "node:fs";
import { containerd } from "../cri/containerd.ts";
import { ours } from "../cri/ours.ts";
import { resizeContract } from "./resize-suite.ts";

resizeContract("our runtime", ours("crun"));
if (existsSync("/usr/bin/containerd")) resizeContract("containerd", containerd);
