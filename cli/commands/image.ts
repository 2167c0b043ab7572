import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { request } from "node:http";
import { Command } from "commander";
import { asError, messageOf } from "@raft2kube/std/errors.ts";
import { isStopped, readJoiningNodes } from "../spec/nodes.ts";
import { nodePaths } from "../spec/paths.ts";
import { CommandError, printable, printResult } from "../terminal.ts";
import { clusterOf } from "./cluster-of.ts";
import { programCommands } from "./image-program.ts";

export function command(): Command {
  const image = new Command("image").description("Images of a cluster's nodes.");
  image
    .command("load")
    .argument("<file>", "an OCI or Docker archive (buildah, docker save, skopeo copy)")
    .description("Load the images of an archive into every node that runs.")
    .option("--name <name>", "the cluster's name", "default")
    .option("-o, --output <format>", "json")
    .action(load);
  for (const program of programCommands()) image.addCommand(program);
  return image;
}

interface Loaded {
  readonly loaded: readonly string[];
}

async function load(file: string, flags: { name: string; output?: string }): Promise<void> {
  await stat(file).catch((cause: unknown) => {
    const message = `${file} cannot be read: ${asError(cause).message}`;
    throw new CommandError("NO_FILE", message, { cause });
  });
  const config = await clusterOf(flags.name);
  const joined = (await readJoiningNodes(config)).filter((node) => !isStopped(node));
  const reached = [config, ...joined].filter((node) => node.guest === undefined);
  const [result] = await Promise.all(
    reached.map((node) => post(nodePaths(node).controlSocket, node.nodeName, file)),
  );
  printResult(flags.output, result!, ({ loaded }) => {
    return printable(loaded.map((name) => `loaded ${name}`).join("\n"));
  });
  const guests = joined.filter((node) => node.guest !== undefined);
  if (guests.length === 0) return;
  const names = guests.map((node) => node.nodeName).join(", ");
  process.stderr.write(`not into ${names}: a guest pulls images from registries\n`);
}

function post(socketPath: string, node: string, file: string): Promise<Loaded> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: "/images", method: "POST" }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => {
        const answer = JSON.parse(body) as Loaded & { error?: string; remedy?: string };
        if (response.statusCode === 200) return resolve(answer);
        const { error, remedy } = answer;
        reject(new CommandError("BAD_IMAGE", `${file}: ${error}`, remedy ? { remedy } : {}));
      });
    });
    call.on("error", (cause) => {
      const remedy = "r2k status; r2k start";
      reject(new CommandError("NO_NODE", `node ${node} does not answer`, { remedy, cause }));
    });
    const source = createReadStream(file);
    source.on("error", (cause) => {
      call.destroy();
      reject(new CommandError("BAD_IMAGE", `${file}: ${messageOf(cause)}`, { cause }));
    });
    source.pipe(call);
  });
}
