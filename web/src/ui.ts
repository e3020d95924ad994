/** The parts of Element Plus that the pages use, and their styles. */

import {
  ElAlert,
  ElButton,
  ElButtonGroup,
  ElConfigProvider,
  ElDatePicker,
  ElEmpty,
  ElPagination,
  ElProgress,
  ElSkeleton,
  ElTag,
  ElTree,
  ElTreeSelect,
} from 'element-plus'
import type { App } from 'vue'
import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/el-alert.css'
import 'element-plus/theme-chalk/el-button.css'
import 'element-plus/theme-chalk/el-button-group.css'
import 'element-plus/theme-chalk/el-checkbox.css'
import 'element-plus/theme-chalk/el-date-picker.css'
import 'element-plus/theme-chalk/el-date-picker-panel.css'
import 'element-plus/theme-chalk/el-empty.css'
import 'element-plus/theme-chalk/el-input.css'
import 'element-plus/theme-chalk/el-option.css'
import 'element-plus/theme-chalk/el-pagination.css'
import 'element-plus/theme-chalk/el-popper.css'
import 'element-plus/theme-chalk/el-progress.css'
import 'element-plus/theme-chalk/el-scrollbar.css'
import 'element-plus/theme-chalk/el-select.css'
import 'element-plus/theme-chalk/el-select-dropdown.css'
import 'element-plus/theme-chalk/el-skeleton.css'
import 'element-plus/theme-chalk/el-skeleton-item.css'
import 'element-plus/theme-chalk/el-tag.css'
import 'element-plus/theme-chalk/el-tree.css'
import 'element-plus/theme-chalk/el-tree-select.css'

const COMPONENTS = [
  ElAlert,
  ElButton,
  ElButtonGroup,
  ElConfigProvider,
  ElDatePicker,
  ElEmpty,
  ElPagination,
  ElProgress,
  ElSkeleton,
  ElTag,
  ElTree,
  ElTreeSelect,
]

export function installUi(app: App): void {
  for (const component of COMPONENTS) app.use(component)
}
