import { spawn } from "node:child_process";
import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { printable } from "@raft2kube/std/printable.ts";
import { Command } from "commander";
import type { ClusterConfig, ClusterPlace } from "../spec/config.ts";
import { checkControlPlane, controlPlanePlace, hasSeveral } from "../spec/control-planes.ts";
import { checkNodeName, joiningNodePlace } from "../spec/nodes.ts";
import { processLog } from "../spec/paths.ts";
import { ALL_PROCESS_NAMES } from "../spec/processes.ts";
import { asidePath } from "../supervisor/log-file.ts";
import { CommandError } from "../terminal.ts";
import { clusterHere, clusterOf } from "./cluster-of.ts";

const PROCESSES: readonly string[] = ALL_PROCESS_NAMES;

/** Which process a component runs in. */
const COMPONENTS: Readonly<Record<string, string>> = {
  store: "control",
  apiserver: "control",
  controllers: "control",
  scheduler: "control",
  kubelet: "node",
  runtime: "node",
  proxy: "node",
  dns: "node",
  csi: "node",
  device: "node",
};

/** A store of several members has a log for each: `store-1`. */
const SHOWN = ["control", "node", ...Object.keys(COMPONENTS), "store-1"];

export function command(): Command {
  return new Command("logs")
    .description(`The log of one of ${SHOWN.join(", ")}.`)
    .argument("<component>")
    .option("--name <name>", "the cluster's name", clusterHere())
    .option("--node <node>", "on this node that joined, or control plane; default: the first")
    .option("-f, --follow", "stay and print what comes")
    .action(logs);
}

type Flags = { name: string; node?: string; follow?: boolean };

async function logs(component: string, flags: Flags): Promise<void> {
  const processName = COMPONENTS[component] ?? component;
  if (!PROCESSES.includes(processName)) {
    throw new CommandError("NO_COMPONENT", `there is no component "${component}"`, {
      remedy: `one of ${SHOWN.join(", ")}`,
    });
  }
  const config = await clusterOf(flags.name);
  const path = processLog(placeOf(config, processName, flags.node), processName);
  if (!existsSync(path)) throw new CommandError("NO_LOG", `${path} is not there yet`);
  const parts = [asidePath(path), path].filter((part) => existsSync(part));
  for (const part of parts) {
    const input = flags.follow && part === path ? follow(path) : read(part);
    for await (const line of createInterface({ input })) {
      if (component !== processName && !belongs(line, component)) continue;
      process.stdout.write(`${printable(line)}\n`);
    }
  }
}

/** Where a process keeps its log; each node has its own. */
function placeOf(config: ClusterConfig, processName: string, node?: string): ClusterPlace {
  if (node === undefined || node === config.nodeName) return config;
  if (processName === "control" && hasSeveral(config)) {
    return controlPlanePlace(config, checkControlPlane(node, config));
  }
  if (processName === "node") return joiningNodePlace(config, checkNodeName(node, config));
  throw new CommandError("NOT_ON_NODES", `the ${processName} process is not on a node`, {
    remedy: "leave --node out",
  });
}

/** A line of the component: its `component` field is the name, or starts with it. */
function belongs(line: string, component: string): boolean {
  return line.includes(`"component":"${component}`);
}

/** The loop over its lines meets its errors. */
function read(path: string): Readable {
  const stream = createReadStream(path);
  stream.on("error", () => stream.destroy());
  return stream;
}

function follow(path: string): Readable {
  const tail = spawn("tail", ["-n", "+1", "-F", path], { stdio: ["ignore", "pipe", "inherit"] });
  tail.on("error", (error) => tail.stdout.destroy(error));
  process.once("exit", () => tail.kill());
  return tail.stdout;
}
