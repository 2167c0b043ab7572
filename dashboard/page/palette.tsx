import { useState } from "preact/hooks";
import { Input } from "./fields.tsx";
import { Dialog } from "./widgets.tsx";

/** Something that the palette offers by a name. */
export type Command = readonly [title: string, hint: string, run: () => void];

const SHOWN_MAX = 12;
const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };

/** Commands, found by parts of their titles: arrows choose, Enter runs. */
export function Palette({ commands, close }: { commands: readonly Command[]; close(): void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const words = text.toLowerCase().split(/\s+/);
  /** Titles that start with the text, and short names equal to it, come first. */
  const isBest = ([title, hint]: Command) =>
    title.toLowerCase().startsWith(text.toLowerCase()) || hint.split(" ").includes(text);
  const found = commands
    .filter(([title, hint]) => {
      const all = `${title} ${hint}`.toLowerCase();
      return words.every((word) => all.includes(word));
    })
    .sort((a, b) => Number(isBest(b)) - Number(isBest(a)))
    .slice(0, SHOWN_MAX);
  const run = (i: number) => {
    const chosen = found[i];
    if (!chosen) return;
    close();
    // Once the dialog is gone: what is behind it takes no focus.
    setTimeout(chosen[2]);
  };
  const key = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (step === undefined && event.key !== "Enter") return;
    event.preventDefault();
    if (step) setAt(Math.min(Math.max(at + step, 0), found.length - 1));
    else run(at);
  };
  const search = (typed: string) => {
    setText(typed);
    setAt(0);
  };
  return (
    <Dialog title="Go to" close={close} small>
      <Input
        label="Command"
        class="wide"
        role="combobox"
        aria-expanded
        aria-controls="commands"
        aria-activedescendant={found[at] && `command-${at}`}
        autofocus
        value={text}
        set={search}
        onKeyDown={key}
      />
      <ul id="commands" role="listbox" aria-label="Commands" class="commands">
        {found.map(([title, hint], i) => (
          <li id={`command-${i}`} role="option" aria-selected={i === at} onClick={() => run(i)}>
            {title} <span>{hint}</span>
          </li>
        ))}
      </ul>
      <p class="soft">
        Ctrl K and ? open this. In a list, arrows go from row to row. Enter opens, Esc closes.
      </p>
    </Dialog>
  );
}
