import { runInterfacePlugin } from "../run-interface-plugin.ts";
import { ptp } from "./ptp.ts";

runInterfacePlugin(ptp);
