import { spawn } from "node:child_process";
import { Command } from "commander";
import { ROOT_DIR } from "../assets.ts";
import { clusterFiles } from "../pki/identities.ts";
import { clusterOf } from "./cluster-of.ts";

export function command(): Command {
  return new Command("shell")
    .description("A shell with KUBECONFIG, R2K_CLUSTER and PATH set for the cluster.")
    .option("--name <name>", "the cluster's name", "default")
    .argument("[command...]", "run this instead of an interactive shell")
    .action(shell);
}

async function shell(args: string[], flags: { name: string }): Promise<void> {
  const config = await clusterOf(flags.name);
  const env = {
    ...process.env,
    // Commands that look are of this cluster, and the labs judge it.
    R2K_CLUSTER: config.name,
    KUBECONFIG: clusterFiles(config).kubeconfig("admin"),
    PATH: `${ROOT_DIR}:${process.env["PATH"] ?? ""}`,
  };
  const [program = process.env["SHELL"] ?? "/bin/sh", ...rest] = args;
  const child = spawn(program, rest, { stdio: "inherit", env });
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
