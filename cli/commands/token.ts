import { newToken } from "@raft2kube/client-kube/object/bootstrap-token.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { Command } from "commander";
import { commandWith, type FlagsOf } from "../flags.ts";
import { machineClient } from "../machine/context.ts";
import { kubeconfigPath } from "../machine/layout.ts";
import { joinLine } from "../machine/phases/cluster.ts";
import { createToken, deleteToken, listTokens, TOKEN_TTL } from "../machine/tokens.ts";
import { CommandError, printResult, table } from "../terminal.ts";

const FLAGS = { "--kubeconfig <file>": ["as whom", kubeconfigPath("admin")] } as const;
const OF_CREATE = {
  ...FLAGS,
  "--ttl <duration>": ["how long it is valid; 0 for ever", TOKEN_TTL],
  "--description <text>": "what it is for",
  "--print-join-command": "print the command by which a machine joins with it",
} as const;
const OF_LIST = { ...FLAGS, "-o, --output <format>": "json" } as const;

/** `r2k token`: bootstrap tokens, with kubeadm's words. */
export function command(): Command {
  const creation = commandWith("create", "Create a token.", OF_CREATE);
  const deleting = "Delete tokens, by themselves or their ids.";
  const deletion = commandWith("delete", deleting, FLAGS);
  const generating = "Print a new token; nothing is created.";
  return new Command("token")
    .description("Tokens by which machines join the cluster.")
    .addCommand(creation.argument("[token]").action(create))
    .addCommand(commandWith("list", "List the tokens.", OF_LIST, list))
    .addCommand(deletion.argument("<tokens...>").action(remove))
    .addCommand(commandWith("generate", generating, {}, async () => print(newToken())));
}

type Flags = FlagsOf<typeof FLAGS>;

const print = (line: string) => void process.stdout.write(`${line}\n`);

async function create(wanted: string | undefined, flags: FlagsOf<typeof OF_CREATE>): Promise<void> {
  const { ttl, description, printJoinCommand, kubeconfig } = flags;
  const token = wanted ?? newToken();
  using client = await clientOf(flags);
  await createToken(client, { token, ttl, ...given({ description }) });
  if (!printJoinCommand) return void print(token);
  const { server, ca } = await readKubeconfig(kubeconfig);
  if (ca === undefined) throw new CommandError("NO_CA", `${kubeconfig} has no CA`);
  print(joinLine(new URL(server).host, token, ca));
}

async function list(flags: FlagsOf<typeof OF_LIST>): Promise<void> {
  using client = await clientOf(flags);
  const heads = ["TOKEN", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"];
  const text = (tokens: object[]) => table([heads, ...tokens.map(Object.values)]);
  printResult(flags.output, await listTokens(client), text);
}

async function remove(tokens: string[], flags: Flags): Promise<void> {
  using client = await clientOf(flags);
  for (const each of tokens) print(`bootstrap token "${await deleteToken(client, each)}" deleted`);
}

const clientOf = ({ kubeconfig }: Flags) => machineClient({ clock: systemClock() }, kubeconfig);
