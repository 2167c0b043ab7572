import { useState } from "preact/hooks";
import { Input } from "./fields.tsx";
import { Dialog } from "./widgets.tsx";

/** Something that the palette offers by a name. */
export interface Command {
  title: string;
  hint: string;
  run(): void;
}

const SHOWN_MAX = 12;

/** Commands, found by parts of their titles: arrows choose, Enter runs. */
export function Palette({ commands, close }: { commands: Command[]; close(): void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const words = text.toLowerCase().split(/\s+/);
  const found = commands
    .filter(({ title, hint }) =>
      words.every((word) => `${title} ${hint}`.toLowerCase().includes(word)),
    )
    .slice(0, SHOWN_MAX);
  const run = (command: Command | undefined) => {
    if (!command) return;
    close();
    command.run();
  };
  const key = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0;
    if (step === 0 && event.key !== "Enter") return;
    event.preventDefault();
    if (step === 0) run(found[at]);
    else setAt(Math.min(Math.max(at + step, 0), found.length - 1));
  };
  return (
    <Dialog title="Go to" close={close} small>
      <Input
        class="wide"
        role="combobox"
        aria-label="Command"
        aria-expanded="true"
        autofocus
        aria-controls="commands"
        value={text}
        onKeyDown={key}
        aria-activedescendant={found[at] && `command-${at}`}
        set={(typed) => {
          setText(typed);
          setAt(0);
        }}
      />
      <ul id="commands" role="listbox" aria-label="Commands" class="commands">
        {found.map((command, i) => (
          <li
            id={`command-${i}`}
            role="option"
            aria-selected={i === at}
            onClick={() => run(command)}
          >
            {command.title} <span>{command.hint}</span>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
