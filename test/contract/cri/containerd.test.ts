import { existsSync } from "node:fs";
import { containerd } from "./containerd.ts";
import { criContract } from "./suite.ts";

if (existsSync("/usr/bin/containerd")) criContract("containerd", containerd);
