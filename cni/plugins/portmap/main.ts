import { runPlugin } from "../../lib/skel.ts";
import { portmap } from "./portmap.ts";

void runPlugin(portmap);
