/** Pixels of a character of the labels' font, about, and of a line. */
const CHARACTER = 6.1;
const LINE = 13;
/** Where between two tracks an arrow's label may stand, the best place first. */
const SHARES = [0.5, 0.3, 0.7, 0.15, 0.85];

type Box = { readonly x: number; readonly y: number; readonly width: number };

interface Segment {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** A place for a text, as attributes of its element. */
interface TextPlace {
  readonly x: number;
  readonly y: number;
  readonly "text-anchor"?: string;
}

/** Finds places for labels where no other label is; those without one are left out. */
export class LabelPlacer {
  readonly #taken: Box[] = [];

  /**
   * Places a text on an arrow, between two of the `gaps + 1` tracks that it touches, the last ones
   * if possible.
   */
  along(text: string, { x1, y1, x2, y2 }: Segment, gaps: number): TextPlace | undefined {
    const width = text.length * CHARACTER;
    for (let gap = gaps - 1; gap >= 0; gap--) {
      for (const within of SHARES) {
        const share = (gap + within) / gaps;
        const [x, y] = [x1 + (x2 - x1) * share, y1 + (y2 - y1) * share + LINE / 3];
        if (this.#take({ x: x - width / 2, y, width })) return { x, y, "text-anchor": "middle" };
      }
    }
    return undefined;
  }

  /** Places a text above a band, starting at `x`, at most one line higher. */
  above(text: string, x: number, y: number): TextPlace | undefined {
    const width = text.length * CHARACTER;
    for (const line of [0, 1]) {
      const place = { x, y: y - line * LINE };
      if (this.#take({ ...place, width })) return place;
    }
    return undefined;
  }

  #take(box: Box): boolean {
    const isTaken = this.#taken.some((other) => {
      const beside = box.x > other.x + other.width + 4 || other.x > box.x + box.width + 4;
      return !beside && Math.abs(box.y - other.y) < LINE;
    });
    if (!isTaken) this.#taken.push(box);
    return !isTaken;
  }
}
