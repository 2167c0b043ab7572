import { runPlugin } from "../../lib/skel.ts";
import { loopback } from "./loopback.ts";

void runPlugin(loopback);
