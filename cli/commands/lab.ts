import { Command, InvalidArgumentError } from "commander";
import { CommandError, outliveReader } from "../terminal.ts";

type Act = (...words: never[]) => void | Promise<void>;

/** An action whose code is loaded when it is called: a short command loads little. */
function later<Name extends string>(
  load: () => Promise<Record<Name, Act>>,
  name: Name,
): (...words: unknown[]) => Promise<void> {
  return async (...words) => (await load())[name](...(words as never[]));
}

const look = () => import("./lab/look.ts");
const judging = () => import("./lab/judging.ts");
const own = () => import("./lab/own.ts");
const whole = () => import("./lab/whole.ts");

export function command(): Command {
  // A command that is piped to `head -1` still writes all of its state.
  outliveReader(process.stdout);
  const lab = new Command("lab").description("The numbered labs that assemble the cluster.");
  addLooks(lab);
  addJudging(lab);
  addOwn(lab);
  lab.hook("preSubcommand", (_, chosen) => refuseSwallowed(chosen));
  lab.on("command:*", ([word = ""]: string[]) => {
    throw new CommandError("NO_COMMAND", `lab has no command "${word}"`, {
      remedy: /^\d/.test(word)
        ? `npm run lab start ${word}, then watch ${word}, check ${word}, hint ${word}`
        : "npm run lab help",
    });
  });
  return lab;
}

/** Commands that only print. */
function addLooks(lab: Command): void {
  lab
    .command("list")
    .description("all labs by path, their time, and how far you are")
    .action(later(look, "list"));
  lab
    .command("next")
    .description("the first lab of your path that is started and has not passed, else the next one")
    .action(later(look, "next"));
  lab
    .command("status")
    .description("what you started, passed and use")
    .action(later(look, "status"));
  lab
    .command("planted [number]")
    .description("the lab's planted mistakes, to find with check --planted")
    .action(later(look, "planted"));
  lab
    .command("asks [number]")
    .description("what the checks ask of each body, to read before you write it")
    .option("--for <topic>", "the body that it is for")
    .action(later(look, "asks"));
  lab
    .command("hint [number]")
    .description("the next hint: a question, a direction, the parts, the shape of the code")
    .option("--for <topic>", "the body that it is for")
    .action(later(look, "hint"));
}

function addJudging(lab: Command): void {
  checkFlags(lab.command("check [number]").description("judge what you wrote"))
    .option("--contract", "run the product's contract suite for that part as well")
    .action(later(judging, "check"));
  checkFlags(lab.command("watch [number]").description("judge at every save"))
    .option("--port <port>", "where the replay page is served, on 127.0.0.1", portNumber, 0)
    .action(later(judging, "watchLab"));
  checkFlags(lab.command("replay [number]").description("record what your part does, on a page"))
    .option("--out <file>", "the page's file")
    .action(later(judging, "replay"));
  lab
    .command("show <number> <command>")
    .description("run a command of the shell where your part is at work")
    .option("--with <choice>", "what the lab's page says: a proxy mode, a node")
    .option("--reference", "the product's own part instead of yours")
    .action(later(judging, "show"));
}

function addOwn(lab: Command): void {
  lab
    .command("start <number>")
    .description("cut the exercise into your folder")
    .action(later(own, "start"));
  lab
    .command("diff [number]")
    .description("yours against the reference, once passed")
    .action(later(own, "diff"));
  lab
    .command("reset <number>")
    .description("start again; a backup is kept")
    .option("--yes", "do not ask")
    .action(later(own, "reset"));
  lab
    .command("use <source> <part>")
    .description("own|reference: the source of a part, by number, by part (store/core), or all")
    .option("--anyway", "your own even if it has not passed, or has changed since")
    .action(later(own, "use"));
  lab
    .command("build")
    .description("the labs as a site that needs no network")
    .option("--out <folder>", "where it is written", ".cache/labs-site")
    .action(later(whole, "build"));
  lab
    .command("assemble")
    .description("judge the cluster of your parts, and draw it: lab 22")
    .action(later(judging, "assemble"));
  lab
    .command("finish")
    .description("three members on your parts: load, a killed leader, a partition, a restart")
    .action(later(whole, "finish"));
}

/**
 * Refuses flags that npm has taken for itself, as in `npm run lab check 2 --reference`: without
 * them another thing would be judged. npm passes them on as settings only.
 */
function refuseSwallowed(chosen: Command): void {
  const environment = process.env;
  if (environment["npm_lifecycle_event"] !== "lab") return;
  const given = process.argv.map((word) => word.split("=")[0]);
  const absent = chosen.options.filter(({ long }) => !given.includes(long!));
  const names = absent.map(({ long }) => long!.slice("--".length));
  // A line without a value in npm's settings, `yes=`, is passed on as well.
  const empty: readonly (string | undefined)[] = [undefined, "", "false", "null"];
  const taken = names.filter((name) => !empty.includes(environment[`npm_config_${name}`]));
  if (taken.length === 0) return;
  throw new CommandError("FLAG_TAKEN", `npm took --${taken.join(", --")} for itself`, {
    remedy: `npm run lab -- ${chosen.name()} ... --${taken[0]} ..., or ./r2k lab ${chosen.name()}`,
  });
}

function checkFlags(lab: Command): Command {
  return lab
    .option("--only <text>", "checks with this in their title")
    .option("--runs <count>", "how often to run what depends on chance", positive)
    .option("--seed <number>", "the first seed", positive)
    .option("--all", "run every check; by default the first failure that decides ends the run")
    .option("--reference", "judge the product's own part instead of yours")
    .option("--planted <number>", "judge it with one of the lab's planted mistakes", positive);
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("a whole number above 0 is needed");
}

function portNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && value < 65_536) return value;
  throw new InvalidArgumentError("a port is needed, 0 for a free one");
}
