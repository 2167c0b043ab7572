import { inProcessInvoke } from "../../lib/in-process.ts";
import { runPlugin } from "../../lib/skel.ts";
import type { Invoke } from "../../lib/types.ts";
import { hostLocal } from "../host-local/host-local.ts";
import { bridge } from "./bridge.ts";

// An IPAM plugin of the same build is called within this process.
const ipam = new Map([[hostLocal.name, hostLocal]]);

const wrap = (exec: Invoke) => inProcessInvoke({ plugins: ipam, exec });

runPlugin(bridge, process.env, wrap).then((status) => {
  process.exitCode = status;
});
