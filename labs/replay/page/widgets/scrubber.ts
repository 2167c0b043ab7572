import type { Playback } from "../../playback.ts";
import type { Deviation } from "../../recording.ts";
import { svg } from "../dom.ts";

const HEIGHT = 44;
/** The drawing's own width; the page stretches it. */
const WIDTH = 1_000;
const BAND = 6;

/** The whole recording on one line: roles, faults, the deviation, and the present to drag. */
export class Scrubber {
  readonly element = svg("svg", {
    class: "scrubber",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "slider",
    tabindex: 0,
    "aria-label": "time",
  });
  readonly #playback: Playback;
  readonly #handle = svg("rect", { class: "handle", y: 0, width: 4, height: HEIGHT, rx: 2 });
  readonly #past = svg("rect", { class: "past", x: 0, y: 0, width: 0, height: HEIGHT });

  constructor(playback: Playback, deviation: Deviation | undefined, onSeek: (at: number) => void) {
    this.#playback = playback;
    this.element.append(
      svg("rect", { class: "ground", x: 0, y: 0, width: WIDTH, height: HEIGHT }),
      this.#past,
      ...this.#bands(),
      ...this.#faults(),
    );
    if (deviation) {
      const x = this.#x(deviation.at);
      this.element.append(svg("rect", { class: "deviation", x, y: 0, width: 3, height: HEIGHT }));
    }
    this.element.append(this.#handle);
    this.#listen(onSeek);
  }

  show(at: number): void {
    const x = this.#x(at);
    this.#handle.setAttribute("x", String(x - 2));
    this.#past.setAttribute("width", String(x));
    this.element.setAttribute("aria-valuenow", at.toFixed(1));
  }

  #x(at: number): number {
    return (this.#playback.placeOf(at) / Math.max(1, this.#playback.length)) * WIDTH;
  }

  #bands(): SVGElement[] {
    const { tracks } = this.#playback.recording;
    const gap = (HEIGHT - 8) / tracks.length;
    return tracks.flatMap(({ id }, i) => {
      return this.#playback.spansOf(id).map(({ from, to, state: { role, condition } }) => {
        const kind = `role-${role.replace(/\W+/g, "-")} ${condition}`;
        const x = this.#x(from);
        const height = Math.min(BAND, gap - 1);
        const place = { x, y: 4 + i * gap, width: Math.max(0.5, this.#x(to) - x), height };
        return svg("rect", { class: `band ${kind}`, ...place });
      });
    });
  }

  #faults(): SVGElement[] {
    const faults = this.#playback.notes.filter(({ family }) => family === "fault");
    return faults.map(({ at, text }) => {
      const x = this.#x(at);
      return svg(
        "rect",
        { class: "fault", x, y: HEIGHT - 8, width: 2.5, height: 8 },
        svg("title", {}, text),
      );
    });
  }

  #listen(onSeek: (at: number) => void): void {
    const seek = ({ clientX }: { clientX: number }) => {
      const { left, width } = this.element.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (clientX - left) / width));
      onSeek(this.#playback.timeAt(share * this.#playback.length));
    };
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
      seek(event);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (event.buttons > 0) seek(event);
    });
  }
}
