import { runPlugin } from "../../lib/skel.ts";
import { bandwidth } from "./bandwidth.ts";

void runPlugin(bandwidth);
