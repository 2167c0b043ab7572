import { runPlugin } from "../../lib/skel.ts";
import { staticIpam } from "./static.ts";

void runPlugin(staticIpam);
