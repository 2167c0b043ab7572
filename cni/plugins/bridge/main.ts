import { runInterfacePlugin } from "../run-interface-plugin.ts";
import { bridge } from "./bridge.ts";

runInterfacePlugin(bridge);
