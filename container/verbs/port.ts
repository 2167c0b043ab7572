import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { withEngine } from "../engine/engine.ts";
import { print } from "../format/list.ts";
import { verb } from "../verb.ts";

export const port = verb(
  "port <container> [port]",
  "The ports of the host that lead to a container.",
  {},
  async (host, [name, wanted]) => {
    const { ports } = await withEngine(
      host,
      async ({ containers }) => containers.running(name).hand,
    );
    const lines = ports.map(({ containerPort, protocol, hostIp, hostPort }) => {
      return { from: `${containerPort}/${protocol}`, to: `${hostIp || "0.0.0.0"}:${hostPort}` };
    });
    if (wanted === undefined) return print(lines.map(({ from, to }) => `${from} -> ${to}`));
    const named = wanted.includes("/") ? wanted : `${wanted}/tcp`;
    const found = lines.filter(({ from }) => from === named);
    if (found.length > 0) return print(found.map(({ to }) => to));
    throw new RuntimeError("not-found", `port ${wanted} of container ${name} is not published`);
  },
);
