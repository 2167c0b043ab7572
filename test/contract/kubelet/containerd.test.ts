import { existsSync } from "node:fs";
import { containerd } from "../cri/containerd.ts";
import { kubeletContract } from "./suite.ts";

if (existsSync("/usr/bin/containerd")) kubeletContract("containerd", containerd);
