import { runCommand } from "@raft2kube/runtime/command.ts";
import { withEngine } from "../engine/engine.ts";
import { requireCgroups } from "../engine/host.ts";
import { print } from "../format/list.ts";
import { badFlag } from "../run/values.ts";
import { verb } from "../verb.ts";

/** `top`: the lines of ps(1) about a container's processes, below its headings. */
export const top = verb(
  "top <container> [command...]",
  "The processes of a container, by ps(1) with these options: -ef by default.",
  {},
  async (host, [name, options]) => {
    requireCgroups(host, "top");
    const pids = await withEngine(host, async ({ containers, runtime }) => {
      return runtime.cgroups.pids(containers.running(name).record.cgroup);
    });
    const words = options.length > 0 ? options : ["-ef"];
    const { code, stdout, stderr } = await runCommand("ps", words);
    if (code !== 0) throw badFlag("top", words.join(" "), stderr.toString());
    const [head = "", ...lines] = stdout.toString().trimEnd().split("\n");
    const column = head.trim().split(/\s+/).indexOf("PID");
    if (column < 0) throw badFlag("top", words.join(" "), "prints no column PID");
    const isOwn = (line: string) => pids.includes(Number(line.trim().split(/\s+/)[column]));
    print([head, ...lines.filter(isOwn)]);
  },
);
