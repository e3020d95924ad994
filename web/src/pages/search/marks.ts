/** Words as the server looks for them (catalog/search/words.py): width and case of letters do not matter. */

export interface Piece {
  text: string
  found: boolean
}

function normal(text: string): string {
  return text.normalize('NFKC').toLowerCase().normalize('NFKC')
}

/** The words that somebody entered; blanks part them. */
export function wordsOf(text: string): string[] {
  return [...new Set(normal(text).split(/[\s\p{Cc}]+/u).filter(Boolean))]
}

/** A text in pieces, those in which a word was found told apart; together they are the text. */
export function marked(text: string, words: readonly string[]): Piece[] {
  const letters = [...text]
  const hit = new Array<boolean>(letters.length).fill(false)
  // To each letter of the normal text, the one that it comes from: one may become several.
  const from: number[] = []
  let plain = ''
  letters.forEach((letter, at) => {
    const said = normal(letter)
    plain += said
    for (let n = 0; n < said.length; n++) from.push(at)
  })
  for (const word of words) {
    for (let at = plain.indexOf(word); word && at >= 0; at = plain.indexOf(word, at + 1)) {
      for (let n = from[at]!; n <= from[at + word.length - 1]!; n++) hit[n] = true
    }
  }
  return pieces(letters, hit)
}

function pieces(letters: readonly string[], hit: readonly boolean[]): Piece[] {
  const found: Piece[] = []
  letters.forEach((letter, at) => {
    const last = found.at(-1)
    if (last && last.found === hit[at]) last.text += letter
    else found.push({ text: letter, found: hit[at]! })
  })
  return found
}
