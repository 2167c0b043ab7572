import { ours } from "../cri/ours.ts";
import { resizeContract } from "./resize-suite.ts";

resizeContract("our runtime", ours("crun"));
