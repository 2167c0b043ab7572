import { useState } from "preact/hooks";
import { Input } from "./fields.tsx";
import { Dialog, moveFocus } from "./widgets.tsx";

export type Command = readonly [title: string, hint: string, run: () => void];

const SHOWN_MAX = 12;

/** Commands, found by parts of their titles: Enter runs the first, or the one that arrows chose. */
export function Palette({ commands, close }: { commands: readonly Command[]; close(): void }) {
  const [text, setText] = useState("");
  const words = text.toLowerCase().split(/\s+/);
  const isFound = ([title, hint]: Command) =>
    words.every((word) => `${title} ${hint}`.toLowerCase().includes(word));
  /** Titles that start with the text, and short names equal to it, come first. */
  const isBest = ([title, hint]: Command) =>
    title.toLowerCase().startsWith(text.toLowerCase()) || hint.split(" ").includes(text);
  const found = commands
    .filter(isFound)
    .sort((a, b) => Number(isBest(b)) - Number(isBest(a)))
    .slice(0, SHOWN_MAX);
  const run = (command: Command | undefined) => {
    close();
    // Once the dialog is gone: what is behind it takes no focus.
    if (command) setTimeout(command[2]);
  };
  return (
    <Dialog title="Go to" close={close} class="small">
      <form method="dialog" onKeyDown={moveFocus} onSubmit={() => run(found[0])}>
        <Input label="Command" class="wide" autofocus value={text} set={setText} />
        <ul aria-label="Commands" class="commands">
          {found.map((command) => (
            <li>
              <button type="button" class="link" onClick={() => run(command)}>
                {command[0]} <span>{command[1]}</span>
              </button>
            </li>
          ))}
        </ul>
      </form>
      <p class="soft">
        Ctrl K and ? open this. In a list, arrows go from row to row. Enter opens, Esc closes.
      </p>
    </Dialog>
  );
}
