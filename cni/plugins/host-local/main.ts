import { runPlugin } from "../../lib/skel.ts";
import { hostLocal } from "./host-local.ts";

void runPlugin(hostLocal);
