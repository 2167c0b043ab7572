import { inProcessInvoke } from "../../lib/in-process.ts";
import { runPlugin } from "../../lib/skel.ts";
import type { Invoke } from "../../lib/types.ts";
import { hostLocal } from "../host-local/host-local.ts";
import { bridge } from "./bridge.ts";

// The IPAM plugin beside this one, when it is of the same build, needs no process of its own.
const ipam = new Map([[hostLocal.name, hostLocal]]);

const wrap = (exec: Invoke) => inProcessInvoke({ plugins: ipam, exec });

runPlugin(bridge, process.env, wrap).then((status) => {
  process.exitCode = status;
});
