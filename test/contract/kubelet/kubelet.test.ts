import { ours } from "../cri/ours.ts";
import { kubeletContract } from "./suite.ts";

kubeletContract("our runtime", ours("crun"));
