import { Argument, Command, type Option } from "commander";

/** The words that may stand at a place of the command line. */
interface Row {
  /** The command and its subcommands before it: `node add`; empty for r2k itself. */
  readonly at: string;
  /** The flag whose value is completed; one without words takes any value. */
  readonly after?: string;
  readonly words: readonly string[];
}

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

const HELP = "--help";

export function completionCommand(commands: () => Promise<readonly Command[]>): Command {
  return new Command("completion")
    .description(
      "Print a script that completes r2k's commands and flags: source <(r2k completion bash), " +
        "source <(r2k completion zsh), or r2k completion fish | source.",
    )
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .action(async (shell: Shell) => {
      const rows = completionRows(new Command("r2k"), await commands());
      process.stdout.write(SCRIPTS[shell](rows));
    });
}

/** All places where a word is completed, of `command` and what is below it. */
export function completionRows(
  command: Command,
  subcommands: readonly Command[] = command.commands,
  at = "",
): Row[] {
  const below = subcommands.flatMap((each) => {
    return completionRows(each, each.commands, `${at} ${each.name()}`.trim());
  });
  const { options } = command;
  const flags = [...options.flatMap((option) => option.long ?? []), HELP];
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const names = subcommands.map((each) => each.name());
  const values = options.filter((option) => option.required || option.optional);
  return [
    ...values.flatMap((option) =>
      flagsOf(option).map((after) => ({ at, after, words: option.argChoices ?? [] })),
    ),
    { at, words: [...names, ...choices, ...flags] },
    ...below,
  ];
}

const flagsOf = ({ long, short }: Option): string[] => [long, short].filter((flag) => flag != null);

const SCRIPTS: Readonly<Record<Shell, (rows: readonly Row[]) => string>> = {
  bash: (rows) => `# bash completion of r2k
${posixWords(rows)}
_r2k() {
  local at="" word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in -*) continue ;; esac
    case " $(_r2k_words "$at" "") " in *" $word "*) at="\${at:+$at }$word" ;; esac
  done
  local words
  words=$(_r2k_words "$at" "\${COMP_WORDS[COMP_CWORD - 1]}")
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _r2k r2k ./r2k
`,
  zsh: (rows) => `#compdef r2k
${posixWords(rows)}
_r2k() {
  local at="" word
  for word in \${words[2,CURRENT-1]}; do
    case $word in -*) continue ;; esac
    case " $(_r2k_words "$at" "") " in *" $word "*) at="\${at:+$at }$word" ;; esac
  done
  local found=(\${=$(_r2k_words "$at" "\${words[CURRENT-1]}")})
  if (( $#found )); then compadd -- $found; else _files; fi
}
compdef _r2k r2k
`,
  fish: (rows) => `# fish completion of r2k
function __r2k_words
  switch "$argv[1]|$argv[2]"
${rows.map((row) => `    case '${row.at}|${row.after ?? "*"}'\n      ${fishWords(row)}`).join("\n")}
  end
end
function __r2k_complete
  set -l words (commandline -opc)
  set -l at ''
  for word in $words[2..]
    string match -q -- '-*' $word; and continue
    contains -- $word (__r2k_words "$at" ''); and set at (string trim "$at $word")
  end
  set -l found (__r2k_words "$at" $words[-1])
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c r2k -f -a '(__r2k_complete)'
`,
};

function fishWords({ words }: Row): string {
  return words.length === 0 ? "true" : `string split ' ' -- '${words.join(" ")}'`;
}

/** A function of bash and zsh: the words after a command (`$1`) and a word (`$2`). */
function posixWords(rows: readonly Row[]): string {
  const cases = rows.map(({ at, after, words }) => {
    const pattern = after === undefined ? `'${at}|'*` : `'${at}|${after}'`;
    return `    ${pattern}) ${words.length === 0 ? ":" : `echo '${words.join(" ")}'`} ;;`;
  });
  return `_r2k_words() {
  case "$1|$2" in
${cases.join("\n")}
  esac
}`;
}
