import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";

export function command(find: FindHost): Command {
  return new Command("port")
    .argument("<container>")
    .argument("[port]")
    .description("The ports of the host that lead to a container.")
    .action(async (name: string, wanted?: string) => {
      const { ports } = await withEngine(await find(), async ({ containers }) => {
        return containers.running(name).hand;
      });
      const [number, protocol = "tcp"] = wanted?.split("/") ?? [];
      const found = ports.filter(
        (port) =>
          number === undefined ||
          (port.containerPort === Number(number) && port.protocol === protocol),
      );
      if (wanted !== undefined && found.length === 0) {
        throw new RuntimeError("not-found", `port ${wanted} of container ${name} is not published`);
      }
      for (const { containerPort, protocol: kind, hostIp, hostPort } of found) {
        const place = `${hostIp || "0.0.0.0"}:${hostPort}`;
        process.stdout.write(wanted ? `${place}\n` : `${containerPort}/${kind} -> ${place}\n`);
      }
    });
}
