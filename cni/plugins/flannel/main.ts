import { inProcessInvoke } from "../../lib/in-process.ts";
import { runPlugin } from "../../lib/skel.ts";
import { PLUGINS } from "../index.ts";
import { flannel } from "./flannel.ts";

const wrap = (exec: Parameters<typeof inProcessInvoke>[0]["exec"]) =>
  inProcessInvoke({ plugins: PLUGINS, exec });

void runPlugin(flannel, wrap);
