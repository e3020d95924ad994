/** A still picture of a pane, with time, camera, project and account written on it. The footage stays as it is. */

export interface StillWords {
  lines: readonly string[]
  account: string // across the picture
}

const LINE = 1.5 // of the letters' height

/** The picture as it is decoded, with a band below it and the account faintly over it. */
export function stillOf(picture: HTMLVideoElement | HTMLCanvasElement, words: StillWords): HTMLCanvasElement {
  const [width, height] =
    picture instanceof HTMLVideoElement ? [picture.videoWidth, picture.videoHeight] : [picture.width, picture.height]
  const letters = Math.max(13, Math.round(width / 52))
  const band = Math.ceil(letters * LINE * (words.lines.length + 0.7))
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height + band
  const context = canvas.getContext('2d')!
  context.drawImage(picture, 0, 0, width, height)
  context.fillStyle = '#0e141b'
  context.fillRect(0, height, width, band)
  writeAccount(context, words.account, width, height, letters)
  context.font = `${letters}px sans-serif`
  context.fillStyle = '#fff'
  context.textBaseline = 'middle'
  words.lines.forEach((line, i) => context.fillText(line, letters, height + letters * LINE * (i + 0.85), width - 2 * letters))
  return canvas
}

function writeAccount(context: CanvasRenderingContext2D, account: string, width: number, height: number, letters: number): void {
  context.save()
  context.beginPath()
  context.rect(0, 0, width, height)
  context.clip()
  context.translate(width / 2, height / 2)
  context.rotate(-Math.PI / 9)
  context.font = `600 ${letters * 2}px sans-serif`
  context.textAlign = 'center'
  context.fillStyle = 'rgb(255 255 255 / 22%)'
  context.strokeStyle = 'rgb(0 0 0 / 18%)'
  for (const down of [-0.28, 0.28]) {
    context.strokeText(account, 0, height * down)
    context.fillText(account, 0, height * down)
  }
  context.restore()
}

/** Hand it to the viewer as a PNG. */
export async function save(canvas: HTMLCanvasElement, name: string): Promise<void> {
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'))
  if (!blob) throw new Error('the browser made no picture')
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

/** A name that every file system takes: without what Windows refuses (and without blanks, for tools). */
export function fileName(parts: readonly string[]): string {
  return `${parts.map((part) => part.replace(/[\\/:*?"<>|\s]+/g, '-')).join('_')}.png`
}
